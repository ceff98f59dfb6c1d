import type { Texts } from './catalogue.ts';

const pressConnect = 'Go back to SAP Concur, open the App Center and press Connect again.';

const whose = { company: "your company's data", user: 'your data' } as const;
const what = { company: 'this company', user: 'this SAP Concur account' } as const;
const yours = { company: 'your company', user: 'your SAP Concur account' } as const;

export const english: Texts = {
  lang: 'en',
  errorTitlePrefix: 'Error: ',
  integrationNote: (brand) => `This is an integration of ${brand} with SAP Concur solutions.`,
  steps: { label: 'Progress', concur: 'SAP Concur', here: 'Confirm', done: 'Connected', over: 'done' },
  links: {
    label: 'Help and legal',
    support: 'Support and help',
    privacy: 'Privacy policy',
    terms: 'Terms of use',
    contact: 'Contact us',
  },
  landing: {
    title: (brand) => `Connect SAP Concur to ${brand}`,
    lead: (brand, subject) =>
      `You pressed Connect in SAP Concur. Complete this page, and ${brand} may work with ${whose[subject]} there.`,
    nothingYet: 'Nothing has been connected yet. To stop here, just close this window.',
    id: { company: 'Company ID at SAP Concur', user: 'User ID at SAP Concur' },
  },
  confirm: {
    explain: (brand, subject) => `Do you want to connect ${what[subject]} to ${brand}?`,
    button: (brand) => `Connect to ${brand}`,
  },
  code: {
    explain: (brand, subject) =>
      `Enter the verification code that ${brand} gave you. It shows that ${what[subject]} is yours.`,
    label: 'Verification code',
    hint: 'Ten letters and digits. Spaces, dashes and lower case are fine.',
    noCode: "You don't have a code?",
    contact: 'Contact us',
    button: 'Connect',
    summary: 'There is a problem',
    empty: 'Enter your verification code.',
    rejected: 'This code is wrong, was used already or has expired.',
  },
  signIn: {
    explain: (brand, subject) => `Sign in to ${brand}, so that we know which account ${what[subject]} belongs to.`,
    button: (brand) => `Sign in to ${brand}`,
    noAccount: 'No account yet?',
    signUp: 'Sign up',
  },
  signedIn: {
    question: (brand, subject) =>
      `You have signed in to ${brand}. Do you want to connect ${what[subject]} to this account?`,
    account: (brand) => `Your account at ${brand}`,
    button: 'Connect',
    notYours: {
      company: 'Not your company, or not your account? Close this window, or',
      user: 'Not your account? Close this window, or',
    },
    again: 'sign in with another account',
    backToSignIn: 'Back to the sign-in',
  },
  pending: {
    title: 'Connecting…',
    body: (brand, subject) => `We are connecting ${yours[subject]} to ${brand}. This takes a few seconds.`,
    slow: 'SAP Concur does not answer at the moment. We try again by ourselves, for a day if need be.',
    stay: 'This page goes on by itself. If you close it, the connection is still completed.',
    lookAgain: 'Look again now',
  },
  connected: {
    title: (brand) => `SAP Concur is connected to ${brand}`,
    found: { company: 'Company found at SAP Concur', user: 'Account found at SAP Concur' },
    unnamed: 'SAP Concur gave no name for it.',
    nextSteps: 'Next steps',
    close: 'You can close this window.',
    notYours: { company: 'Not your company?', user: 'Not your account?' },
    disconnect: (brand) => `Disconnect in ${brand}`,
    disconnectInConcur:
      'You can disconnect at any time in SAP Concur: open the App Center, choose this app and press Disconnect.',
  },
  failed: {
    heading: 'The connection could not be made',
    tryAgain: `To try again: ${pressConnect}`,
    goOn: 'See how it went',
    reference: 'Reference for support',
  },
  failures: {
    'bad-link': { title: 'This link is not complete', body: pressConnect },
    'unknown-app': {
      title: 'There is no such application',
      body: 'The address of this page names an application that is not known here. Check the Connect address in the App Center listing.',
    },
    'foreign-browser': {
      title: 'This page belongs to another browser',
      body: `It can only be opened in the browser in which Connect was pressed, with cookies allowed. ${pressConnect}`,
    },
    declined: {
      title: 'Connect was declined at SAP Concur',
      body: `SAP Concur reports that the request was declined, so nothing has been connected. If that was a mistake: ${pressConnect}`,
    },
    'foreign-sign-in': {
      title: 'Nothing has been connected',
      body: `You signed in for a Connect that began in another browser. If you pressed Connect yourself, do it again in this browser, with cookies allowed: ${pressConnect} If somebody else sent you the link, close this window and tell our support.`,
    },
    'not-signed-in': {
      title: 'You have not signed in yet',
      body: 'This page can be opened after you have signed in, and only in the same browser.',
    },
    'sign-in-rejected': {
      title: 'This sign-in is not valid any more',
      body: 'It was used already, another one took its place, or it belongs to another window. Nothing has been connected by it. Sign in again.',
    },
    'sign-in-expired': {
      title: 'You signed in too long ago',
      body: 'A sign-in counts for two minutes. Nothing has been connected. Sign in again.',
    },
    'page-out-of-date': {
      title: 'This page is out of date',
      body: 'Go back, reload the page and send it again.',
    },
    'session-used': { title: 'This page was completed already', body: 'It can be sent only once.' },
    'session-expired': { title: 'This page is too old', body: `It was open for too long. ${pressConnect}` },
    'too-many-tries': {
      title: 'Too many wrong codes',
      body: `This page takes no more codes. Ask for a new code. Then: ${pressConnect}`,
    },
    'rate-limited': { title: 'Too many tries', body: 'Wait a while, then try again.' },
    'lost-race': {
      title: 'Completed in another window',
      body: 'The same Connect was completed in another browser or window. Go on there. If that was not you, tell our support.',
    },
    'request-token-rejected': {
      title: 'SAP Concur did not accept this Connect',
      body: 'It is valid for 24 hours and for a few tries only.',
    },
    'identity-mismatch': {
      title: 'SAP Concur answered for another company',
      body: 'For safety nothing has been connected. If it happens again, tell our support.',
    },
    'provider-unavailable': {
      title: 'SAP Concur cannot be reached',
      body: 'This is not your fault. Try again later.',
    },
    'app-blocked': {
      title: 'SAP Concur does not accept this application at the moment',
      body: 'This is not your fault. Our support can tell when it works again.',
    },
    'not-found': { title: 'There is no such page', body: 'Check the address.' },
    other: { title: 'Something went wrong', body: 'This is not your fault. Try again; if it stays, tell our support.' },
  },
  wrongParameters: 'Missing, repeated or wrong in the address:',
};
