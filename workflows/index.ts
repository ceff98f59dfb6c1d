/** Everything that the worker bundles. */
export { appGuardian } from './app-guardian.ts';
export { connectionLifecycle } from './connection-lifecycle.ts';
export { reconciler } from './reconciler.ts';
