/** Everything that the worker bundles. */
export { connectionLifecycle } from './connection-lifecycle.ts';
export { reconciler } from './reconciler.ts';
