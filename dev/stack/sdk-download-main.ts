/**
 * A process of its own that lets Temporal's SDK download one of its servers: the download can't be aborted, a process
 * can. Arguments: `cli` or `test-server`, the version, the folder to download into. The server is started to see
 * that it works, then stopped.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';

const [kind, version, downloadDir] = process.argv.slice(2);
if (version === undefined || downloadDir === undefined) throw new Error('usage: sdk-download-main KIND VERSION FOLDER');

const executable = { type: 'cached-download', version, downloadDir } as const;
const environment =
  kind === 'cli'
    ? await TestWorkflowEnvironment.createLocal({ server: { executable } })
    : await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
await environment.teardown();
