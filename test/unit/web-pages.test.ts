/** The administrator's pages as markup: what they say, and that nothing from outside becomes markup. */
import { describe, expect, it } from 'vitest';
import type { Landing } from '../../core/stores.ts';
import { assetVersion, brandStylesPath, iconPath, maybeAsset, stylesPath } from '../../web/assets.ts';
import { renderErrorPage } from '../../web/error-page.ts';
import { html } from '../../web/html.ts';
import { renderLandingPage } from '../../web/landing-page.ts';
import { hrefWithParameter, imageOrigin, safeHref } from '../../web/link.ts';
import { renderProgressPage } from '../../web/progress-page.ts';
import { failureTopics, type Texts } from '../../web/texts/catalogue.ts';
import { english } from '../../web/texts/english.ts';
import { german } from '../../web/texts/german.ts';
import { pickTexts } from '../../web/texts/pick-texts.ts';

const PRINCIPAL = '0a1b2c3d-0000-4000-8000-00000000000a';
const landing: Landing = {
  mode: 'confirm',
  brand: 'Demo <ERP>',
  color: '#0a6ed1',
  logoUrl: null,
  logoAlt: '',
  signInUrl: 'https://partner.example/sign-in?lang=en',
  signUpUrl: null,
  contactUrl: 'mailto:help@partner.example',
  supportUrl: 'https://partner.example/support',
  privacyUrl: 'https://partner.example/privacy',
  termsUrl: 'https://partner.example/terms',
  manageUrl: null,
  listingUrl: null,
  nextSteps: ['Invite "everybody"'],
};
const subject = 'company';
const session = { principal: PRINCIPAL, csrf: 'the-csrf', ref: 'ref-1' };
const settled = { id: 'sid-1', principal: PRINCIPAL, failure: null };

function titleOf(page: string): string {
  return /<title>([^<]*)<\/title>/.exec(page)?.[1] ?? '';
}

describe('markup', () => {
  it('escapes every value for text and for quoted attributes', () => {
    const evil = `<script>"'&`;
    expect(html`<a title="${evil}">${evil}</a>`.toString()).toBe(
      '<a title="&lt;script&gt;&quot;&#39;&amp;">&lt;script&gt;&quot;&#39;&amp;</a>',
    );
  });

  it('leaves nothing behind for what is not there, and joins lists', () => {
    expect(html`${null}${undefined}${false}${[html`<i>${1}</i>`, 'b']}`.toString()).toBe('<i>1</i>b');
  });
});

describe('links of the apps file', () => {
  it('may lead to web pages and mail, never to a script', () => {
    expect(safeHref('https://partner.example/a')).toBe('https://partner.example/a');
    expect(safeHref('mailto:help@partner.example')).toBe('mailto:help@partner.example');
    for (const address of ['javascript:alert(1)', 'data:text/html,x', '/relative', '', null]) {
      expect(safeHref(address), String(address)).toBeNull();
    }
  });

  it('keep their own query when a parameter is added', () => {
    expect(hrefWithParameter('https://partner.example/in?lang=en', 'session', 'a b')).toBe(
      'https://partner.example/in?lang=en&session=a%20b',
    );
  });

  it('tell the origin of a logo, and none for mail', () => {
    expect(imageOrigin('https://cdn.partner.example/logo.svg')).toBe('https://cdn.partner.example');
    expect(imageOrigin('mailto:help@partner.example')).toBeNull();
    // Whoever writes such a host would write the policy.
    expect(imageOrigin('https://cdn.example;script-src/logo.svg')).toBeNull();
  });
});

describe('the landing page', () => {
  const confirm = renderLandingPage({ texts: english, landing, subject, path: '/x', session });

  it('says on its face that it belongs to SAP Concur, whose company it is about, and that nothing happened yet', () => {
    expect(confirm).toContain('SAP Concur');
    expect(confirm).toContain(PRINCIPAL);
    expect(confirm).toContain('Nothing has been connected yet');
    expect(confirm).toContain('aria-current="step"');
  });

  it('links to support, privacy and terms', () => {
    for (const path of ['support', 'privacy', 'terms'])
      expect(confirm).toContain(`href="https://partner.example/${path}"`);
  });

  it('escapes the brand', () => {
    expect(confirm).toContain('Demo &lt;ERP&gt;');
    expect(confirm).not.toContain('<ERP>');
  });

  it('brings neither scripts nor inline styles', () => {
    expect(confirm).not.toMatch(/<script|<style|\sstyle=|\son[a-z]+=/);
  });

  it('shows a wrong code as a summary, in the title and at the field', () => {
    const code = { ...landing, mode: 'verification-code' as const };
    const fine = renderLandingPage({ texts: english, landing: code, subject, path: '/x', session });
    const wrong = renderLandingPage({
      texts: english,
      landing: code,
      subject,
      path: '/x',
      session,
      codeError: 'rejected',
    });
    expect(titleOf(fine)).not.toMatch(/^Error/);
    expect(titleOf(wrong)).toMatch(/^Error: /);
    expect(wrong).toContain('role="alert"');
    expect(wrong).toContain('href="#code"');
    expect(wrong).toContain('aria-invalid="true"');
    expect(wrong).toContain('aria-describedby="code-hint code-error"');
    expect(fine).toContain('<label for="code">');
    expect(fine).toContain('mailto:help@partner.example');
  });

  it("speaks of the user where an app is the user's alone, and of no id where none is known yet", () => {
    const user = renderLandingPage({ texts: english, landing, subject: 'user', path: '/x', session });
    expect(user).toContain('User ID at SAP Concur');
    expect(user).not.toMatch(/company/i);
    const unknown = renderLandingPage({
      texts: english,
      landing,
      subject,
      path: '/x',
      session: { ...session, principal: null },
    });
    expect(unknown).not.toContain('<dl>');
  });

  it('sets a brand apart that is written from right to left, and no other', () => {
    const page = renderLandingPage({
      texts: english,
      landing: { ...landing, brand: 'שלום' },
      subject,
      path: '/x',
      session,
    });
    expect(titleOf(page)).toContain('Connect SAP Concur to \u2068שלום\u2069');
    expect(confirm).not.toMatch(/[\u2066-\u2069]/);
  });

  it('leads to the sign-in page in mode sign-in, with no form that could complete it', () => {
    const page = renderLandingPage({
      texts: english,
      landing: { ...landing, mode: 'sign-in' },
      subject,
      path: '/x',
      session,
    });
    expect(page).toContain('href="https://partner.example/sign-in?lang=en&amp;session=ref-1"');
    expect(page).not.toContain('<form');
  });
});

describe('the progress page', () => {
  const render = (status: 'completed' | 'connected' | 'failed' | 'lost', failure: string | null = null) =>
    renderProgressPage({
      texts: english,
      landing,
      subject,
      session: { ...settled, status, failure },
      company: { name: 'Aurora & Sons', domain: 'aurora.example' },
    });

  it('loads itself again while it is pending, without scripts, and stops then', () => {
    expect(render('completed')).toContain('data-outcome="pending"');
    expect(render('completed')).toContain('<noscript><meta http-equiv="refresh" content="2"></noscript>');
    for (const status of ['connected', 'failed', 'lost'] as const) expect(render(status)).not.toContain('http-equiv');
  });

  it('says so when it takes long', () => {
    const session = { ...settled, status: 'completed' as const };
    const slow = renderProgressPage({ texts: english, landing, subject, session, company: null, isSlow: true });
    expect(slow).toContain('does not answer at the moment');
  });

  it('names the company found, the next steps, that the window can be closed and how to disconnect', () => {
    const page = render('connected');
    expect(page).toContain('data-outcome="connected"');
    expect(page).toContain('Aurora &amp; Sons');
    expect(page).toContain('Invite &quot;everybody&quot;');
    expect(page).toContain('close this window');
    expect(page).toContain('Not your company?');
  });

  it('leaves out what is not known or not given: no empty line, list or link', () => {
    const page = renderProgressPage({
      texts: english,
      landing: { ...landing, nextSteps: [], termsUrl: null, contactUrl: null },
      subject,
      session: { id: 'sid-1', principal: null, status: 'connected', failure: null },
      company: null,
    });
    expect(page).toContain('gave no name for it');
    expect(page).not.toMatch(/<(dd|dt|li|ol|p)[^>]*>\s*<\/\1>/);
    expect(page).not.toMatch(/Next steps|Terms of use|Contact us|null|undefined/);
  });

  it('tells both ways to disconnect: at the partner and at SAP Concur', () => {
    const page = renderProgressPage({
      texts: english,
      landing: { ...landing, brand: 'ERP', manageUrl: 'https://partner.example/manage' },
      subject,
      session: { ...settled, status: 'connected' },
      company: null,
    });
    expect(page).toContain('<a href="https://partner.example/manage">Disconnect in ERP</a>');
    expect(page).toContain('open the App Center, choose this app and press Disconnect');
  });

  it('says why it failed and how to try again, and what to tell the support', () => {
    const page = render('failed', 'identity-mismatch');
    expect(page).toContain('data-outcome="failed"');
    expect(page).toContain('another company');
    expect(page).toContain('press Connect again');
    expect(page).toContain('sid-1');
    expect(titleOf(page)).toMatch(/^Error: /);
  });

  it('has general words for a failure without words of its own, and never shows its code', () => {
    const page = render('failed', 'some-inner-code');
    expect(page).toContain('Something went wrong');
    expect(page).not.toContain('some-inner-code');
  });

  it('tells the browser that lost the race to go on in the other window', () => {
    expect(render('lost')).toContain('another browser or window');
  });
});

describe('error pages', () => {
  it('exist for every topic in every language', () => {
    for (const texts of [english, german]) {
      for (const topic of failureTopics) {
        const page = renderErrorPage({ texts, brand: null, topic, requestId: 'r-1' });
        expect(page).toContain(`lang="${texts.lang}"`);
        expect(page).toContain('r-1');
        expect(titleOf(page).startsWith(texts.errorTitlePrefix)).toBe(true);
      }
    }
  });

  it('name the parameters that are wrong', () => {
    const wrongParameters = ['requestToken'];
    const page = renderErrorPage({
      texts: english,
      brand: landing,
      topic: 'bad-link',
      requestId: 'r',
      wrongParameters,
    });
    expect(page).toContain('<code>requestToken</code>');
  });
});

describe('languages', () => {
  const lang = (header: string | undefined): string => (pickTexts(header) satisfies Texts).lang;

  it('are chosen by what the browser likes best', () => {
    expect(lang('de-AT,de;q=0.9,en;q=0.8')).toBe('de');
    expect(lang('en;q=0.5, de;q=0.4')).toBe('en');
    expect(lang('fr, de;q=0.1')).toBe('de');
  });

  it('are English when nothing fits, nothing is said or nonsense is said', () => {
    for (const header of [undefined, '', 'fr', 'de;q=0', ';;,;q=', 'x'.repeat(5_000)]) expect(lang(header)).toBe('en');
  });
});

describe('assets', () => {
  it('lie at addresses that change with their content', () => {
    for (const path of [stylesPath, iconPath, brandStylesPath('#0A6ED1')]) {
      const [, folder, version, file = ''] = path.split('/');
      expect([folder, version]).toEqual(['assets', assetVersion]);
      expect(maybeAsset(file)).not.toBeNull();
    }
  });

  it('are these and no other files', () => {
    for (const file of ['../html.ts', 'brand-xyz.css', 'brand-0a6ed1.css.map', '']) expect(maybeAsset(file)).toBeNull();
  });
});
