/**
 * The page that asks for the token came by a link on another site, and a strict cookie stays behind on such a way: asked
 * for anew by the page itself it is sent. A refresh in the markup would only jump to what is behind #.
 */
const [arrival] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
if (arrival?.type !== "reload") location.reload();
