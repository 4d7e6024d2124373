/**
 * The live dashboard: which integration is slow right now, and why.
 *
 * @since 0.1.0
 */

/** The page, its events and its figures as routes. */
export * as Dashboard from "./Dashboard.ts"
