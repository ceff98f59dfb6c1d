/**
 * The partner's apps of a development stack: one per way that a landing page can know its administrator, an "app for
 * me", and one of before 2017. The secrets are none: they open the sandbox on this machine alone.
 */
import { demoApp } from '../sandbox/demo.ts';

interface DemoApp {
  readonly app: string;
  readonly mode: 'confirm' | 'verification-code' | 'sign-in';
  readonly brand: string;
  readonly color: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `quick-connect` when left out. */
  readonly flow?: 'app-center-legacy';
  /** `company` when left out. */
  readonly principal?: 'user';
  /** Consumer key of the app whose legacy grants may migrate to this one. */
  readonly legacyClientId?: string;
  readonly allowPasswordLogin?: true;
}

const legacyClientId = '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0005';

export const demoApps = [
  {
    app: 'demo-confirm',
    mode: 'confirm',
    brand: 'Demo ERP',
    color: '#0a6ed1',
    clientId: demoApp.clientId,
    clientSecret: demoApp.clientSecret,
    legacyClientId,
  },
  {
    app: 'demo-code',
    mode: 'verification-code',
    brand: 'Demo Travel',
    color: '#0f6e56',
    clientId: '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0002',
    clientSecret: 'sandbox-demo-code-client-secret',
  },
  {
    app: 'demo-sign-in',
    mode: 'sign-in',
    brand: 'Demo Receipts',
    color: '#7a3e9d',
    clientId: '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0003',
    clientSecret: 'sandbox-demo-sign-in-client-secret',
  },
  {
    app: 'demo-user',
    mode: 'confirm',
    brand: 'Demo Pocket',
    color: '#a34a00',
    clientId: '5a1d0c0e-7e57-4a99-9c0d-e5a9db0c0004',
    clientSecret: 'sandbox-demo-user-client-secret',
    principal: 'user',
    allowPasswordLogin: true,
  },
  {
    app: 'demo-legacy',
    mode: 'confirm',
    brand: 'Demo Classic',
    color: '#4a5568',
    clientId: legacyClientId,
    clientSecret: 'sandbox-demo-legacy-client-secret',
    flow: 'app-center-legacy',
    principal: 'user',
  },
] as const satisfies readonly DemoApp[];

const all: readonly DemoApp[] = demoApps;

/** The apps file (contract of `APPS_FILE`). `sandboxUrl` is where listings are shown. */
export function buildAppsFile({ sandboxUrl }: { readonly sandboxUrl: string }): string {
  const apps = all.map(({ app, mode, brand, color, clientId, clientSecret, ...more }) => ({
    app,
    clientId,
    clientSecret,
    flow: 'quick-connect',
    principal: 'company',
    ...more,
    landing: {
      mode,
      brand,
      color,
      ...(mode === 'sign-in'
        ? { signInUrl: `${sandboxUrl}/partner/sign-in`, signUpUrl: `${sandboxUrl}/partner/sign-up` }
        : {}),
      contactUrl: 'mailto:support@partner.example',
      supportUrl: 'https://partner.example/support',
      privacyUrl: 'https://partner.example/privacy',
      termsUrl: 'https://partner.example/terms',
      manageUrl: 'https://partner.example/integrations',
      listingUrl: `${sandboxUrl}/`,
      nextSteps: [`Open ${brand}: ${whose(more)} receipts and expenses appear there from now on.`],
    },
  }));
  return `${JSON.stringify(apps, null, 2)}\n`;
}

/** The same apps as the sandbox has them on file (`SANDBOX_APPS`). */
export function buildSandboxApps({ publicUrl }: { readonly publicUrl: string }): string {
  return JSON.stringify(
    all.map(({ app, brand, clientId, clientSecret, flow, principal, legacyClientId }) => ({
      clientId,
      clientSecret,
      name: brand,
      connectUri: `${publicUrl}/connect/${app}`,
      flow,
      principalType: principal,
      legacyClientId,
    })),
  );
}

function whose({ principal }: Pick<DemoApp, 'principal'>): string {
  return principal === 'user' ? 'your' : "your company's";
}
