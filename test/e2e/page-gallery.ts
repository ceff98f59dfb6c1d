/** Every page of the connect flow in every state that it can be in, served with the real styles and the real policy. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Landing, LandingMode } from '../../core/stores.ts';
import { maybeAsset } from '../../web/assets.ts';
import { renderErrorPage } from '../../web/error-page.ts';
import { renderLandingPage } from '../../web/landing-page.ts';
import { renderProgressPage } from '../../web/progress-page.ts';
import { renderSignedInPage } from '../../web/signed-in-page.ts';
import { failureTopics, type Subject, type Texts } from '../../web/texts/catalogue.ts';
import { pickTexts } from '../../web/texts/pick-texts.ts';

type Render = (texts: Texts, landing: Landing) => string;

const PRINCIPAL = '0a1b2c3d-0000-4000-8000-00000000000a';
const REFERENCE = 'Zk3VbnRkq0yXh1y2_A9zQw';
const session = { id: REFERENCE, principal: PRINCIPAL, csrf: 'c', ref: 'r', failure: null };

const landingPage =
  (mode: LandingMode, codeError?: 'empty' | 'rejected', subject: Subject = 'company'): Render =>
  (texts, landing) =>
    renderLandingPage({
      texts,
      landing: { ...landing, mode },
      subject,
      session,
      path: '/x',
      ...(codeError === undefined ? {} : { codeError }),
    });

const progressPage =
  (
    status: 'completed' | 'connected' | 'failed' | 'lost',
    more: { readonly failure?: string; readonly isSlow?: boolean; readonly name?: string } = {},
  ): Render =>
  (texts, landing) =>
    renderProgressPage({
      texts,
      landing,
      subject: 'company',
      session: { ...session, status, failure: more.failure ?? null },
      company: more.name === undefined ? null : { name: more.name, domain: 'aurora.example' },
      isSlow: more.isSlow ?? false,
    });

/** By name; every topic of failure has a page of its own. */
export const gallery: Readonly<Record<string, Render>> = {
  confirm: landingPage('confirm'),
  'confirm-user': landingPage('confirm', undefined, 'user'),
  code: landingPage('verification-code'),
  'code-empty': landingPage('verification-code', 'empty'),
  'code-rejected': landingPage('verification-code', 'rejected'),
  'sign-in': landingPage('sign-in'),
  'signed-in': (texts, landing) =>
    renderSignedInPage({
      texts,
      landing,
      subject: 'company',
      session,
      customerRef: 'ACME-4711',
      ticket: 't',
      landingPath: '/x',
    }),
  pending: progressPage('completed'),
  slow: progressPage('completed', { isSlow: true }),
  connected: progressPage('connected', { name: 'Borealis & Töchter' }),
  'connected-rtl': progressPage('connected', { name: 'חברת השקעות (בע"מ) 2026' }),
  'connected-unnamed': progressPage('connected'),
  failed: progressPage('failed', { failure: 'request-token-rejected' }),
  lost: progressPage('lost'),
  'error-unbranded': (texts) => renderErrorPage({ texts, brand: null, topic: 'unknown-app', requestId: REFERENCE }),
  'error-parameters': (texts, brand) =>
    renderErrorPage({ texts, brand, topic: 'bad-link', requestId: REFERENCE, wrongParameters: ['id', 'requestToken'] }),
  'error-going-on': (texts, brand) =>
    renderErrorPage({ texts, brand, topic: 'session-used', requestId: REFERENCE, goOnHref: '/x' }),
  ...Object.fromEntries(
    failureTopics.map((topic): [string, Render] => [
      `error-${topic}`,
      (texts, brand) => renderErrorPage({ texts, brand, topic, requestId: REFERENCE }),
    ]),
  ),
};

const landing: Landing = {
  mode: 'confirm',
  brand: 'Demo ERP',
  color: '#0a6ed1',
  logoUrl: null,
  logoAlt: '',
  signInUrl: 'https://partner.example/sign-in',
  signUpUrl: 'https://partner.example/sign-up',
  contactUrl: 'mailto:help@partner.example',
  supportUrl: 'https://partner.example/support',
  privacyUrl: 'https://partner.example/privacy',
  termsUrl: 'https://partner.example/terms',
  manageUrl: 'https://partner.example/integrations',
  listingUrl: null,
  nextSteps: ['Open Demo ERP: receipts and expenses of your company appear there from now on.'],
};

/** What partners may write into their apps file, and pages have to bear. */
export const partners: Readonly<Record<string, Landing>> = {
  plain: landing,
  // Hardest to read on white, and on dark.
  yellow: { ...landing, color: '#ffe600' },
  navy: { ...landing, color: '#000033' },
  sparse: { ...landing, signUpUrl: null, contactUrl: null, termsUrl: null, manageUrl: null, nextSteps: [] },
  long: {
    ...landing,
    brand: 'Internationale Reisekostenabrechnungsdienstleistungsgesellschaft Nordrhein-Westfalen mbH & Co. KGaA',
    nextSteps: [`Read https://partner.example/${'a-very-long-address'.repeat(8)} first.`, 'שלום עולם'],
  },
  'right-to-left': { ...landing, brand: 'חברת תוכנה' },
};

/** `{url}/{partner}/{page}`, in the language of the request. The caller closes it. */
export async function openGallery(policy: string): Promise<{ readonly url: string; close(): void }> {
  const server = createServer((request, response) => {
    const [first = '', second = '', third = ''] = (request.url ?? '').split('/').slice(1);
    const asset = first === 'assets' ? maybeAsset(third) : null;
    if (asset !== null) return void response.setHeader('content-type', asset.type).end(asset.body);
    const partner = partners[first];
    const render = gallery[second];
    if (partner === undefined || render === undefined) return void response.writeHead(404).end();
    // Stays on the screen while it is looked at.
    const page = render(pickTexts(request.headers['accept-language']), partner).replace(/<script[^>]*><\/script>/, '');
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy });
    response.end(page);
  }).listen(0, '127.0.0.1');
  await new Promise<void>((resolve) => server.once('listening', () => resolve()));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
