import { isAbsolute, relative } from 'node:path';
import { demoCompanies } from '../sandbox/demo.ts';
import { demoApps } from './demo-apps.ts';

export interface LinksInput {
  /** How long it took. */
  readonly seconds: string;
  readonly home: string;
  readonly apiUrl: string;
  /** Where `/docs`, `/healthz` and `/metrics` are. */
  readonly opsUrl: string;
  readonly temporalAddress: string;
  readonly temporalUiUrl: string | null;
  readonly namespace: string;
  readonly sandboxUrl: string | null;
  /** Whether the demo apps are the ones in use. */
  readonly hasDemoApps: boolean;
  readonly hasToken: boolean;
}

/** The last thing that `npm start` prints: what to press, and a command that can be pasted as it is. */
export function buildLinks(input: LinksInput): string {
  const { seconds, home, opsUrl, sandboxUrl, temporalUiUrl, namespace, temporalAddress } = input;
  const rows = [
    ...(sandboxUrl === null ? [] : [['Press Connect here', `${sandboxUrl}/`, "the sandbox's App Center"]]),
    temporalUiUrl === null
      ? ['Temporal', temporalAddress, `namespace ${namespace}`]
      : ['Temporal UI', `${temporalUiUrl}/namespaces/${namespace}/workflows`, 'the workflows of the connections'],
    ['API', `${opsUrl}/docs`, `${opsUrl}/healthz  ${opsUrl}/metrics`],
    ['Logs', `${shown(home)}/logs/`, 'one file per part'],
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const table = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
  return [
    '',
    `Evergrant is up (${seconds} s). Ctrl-C ends it.`,
    '',
    ...table,
    ...(input.hasDemoApps && input.hasToken ? ['', ...tokenCommand(input)] : []),
    '',
  ].join('\n');
}

function tokenCommand({ home, apiUrl, sandboxUrl }: LinksInput): readonly string[] {
  const [company] = demoCompanies;
  const [app] = demoApps;
  const header = `"Authorization: Bearer $(cat ${quoted(`${shown(home)}/dev-token`)})"`;
  const bearer = `curl -s -H ${header} ${apiUrl}/v1/apps/${app.app}/connections`;
  return sandboxUrl === null
    ? ['The connections of the demo app:', `  ${bearer}`]
    : [
        `An access token of ${company.name}, once it is connected with ${app.brand}:`,
        `  ${bearer}/${company.id}/token`,
      ];
}

/** As short as it can be typed from here. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

/** Inside double quotes and `$( )`: a path with a blank needs quotes of its own. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
