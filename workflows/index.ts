/** Everything that the worker bundles. */
export { connectionLifecycle } from './connection-lifecycle.ts';
