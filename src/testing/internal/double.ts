// The keys under which a double keeps its provider, where neither `Timeline` nor the clients would make a cycle.

/**
 * The key under which a double keeps its provider.
 *
 * @category symbols
 * @since 0.1.0
 */
export const ProviderId = "~breakwater/testing/Provider"

/**
 * The key under which a double keeps how it carries requests out.
 *
 * @category symbols
 * @since 0.1.0
 */
export const RespondId = "~breakwater/testing/Respond"
