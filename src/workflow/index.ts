/**
 * breakwater in Effect's workflows, on one machine or on Effect Cluster.
 *
 * @since 0.1.0
 */

/** An operation as an activity of a workflow. */
export * as WorkflowActivity from "./WorkflowActivity.ts"
