/** A partner's site for landing mode `sign-in`: its users come with `?session=`, sign in or up, and are sent back. */
import type Router from '@koa/router';
import type { Context } from 'koa';
import { SandboxProblem } from '../model/problem.ts';
import { readForm } from './page-flow.ts';
import { completeSession } from './partner-backend.ts';
import type { PartnerConfig } from './partner-backend.ts';
import { partnerAccounts, renderSignInPage, renderSignUpPage } from './partner-page.ts';
import type { PartnerPage } from './partner-page.ts';

const paths = { signIn: '/partner/sign-in', signUp: '/partner/sign-up' } as const;

export function registerPartnerRoutes(router: Router, partner: PartnerConfig | null): void {
  const site = (path: string, render: (page: PartnerPage) => string, mayEnter: (customer: string) => boolean): void => {
    router.get(path, (ctx) => {
      ctx.body = render({ session: sessionOf(ctx), paths });
    });
    router.post(path, async (ctx) => {
      const form = await readForm(ctx);
      const session = form.get('session');
      const customer = form.get('customer')?.trim() ?? '';
      try {
        if (partner === null)
          throw new SandboxProblem('invalid', 'Set SANDBOX_PARTNER_API_URL and SANDBOX_PARTNER_TOKEN_FILE.');
        if (session === null)
          throw new SandboxProblem('invalid', 'Nobody waits for you: press Connect at SAP Concur first.');
        if (!mayEnter(customer)) throw new SandboxProblem('invalid', 'There is no such account.');
        const returnUrl = await completeSession(partner, session, customer);
        ctx.status = 303;
        ctx.redirect(returnUrl);
      } catch (error) {
        if (!(error instanceof SandboxProblem)) throw error;
        ctx.status = 422;
        ctx.body = render({ session, paths, problem: error.message });
      }
    });
  };
  site(paths.signIn, renderSignInPage, (customer) => partnerAccounts.some((account) => account.customer === customer));
  site(paths.signUp, renderSignUpPage, (customer) => customer !== '');
}

function sessionOf(ctx: Context): string | null {
  const { session } = ctx.query;
  return typeof session === 'string' ? session : null;
}
