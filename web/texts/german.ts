import type { Texts } from './catalogue.ts';

const pressConnect =
  'Gehen Sie zurück zu SAP Concur, öffnen Sie das App Center und klicken Sie erneut auf „Verbinden“.';

const whose = { company: 'den Daten Ihres Unternehmens', user: 'Ihren Daten' } as const;
const what = { company: 'dieses Unternehmen', user: 'dieses SAP-Concur-Konto' } as const;
const yours = { company: 'Ihr Unternehmen', user: 'Ihr SAP-Concur-Konto' } as const;

export const german: Texts = {
  lang: 'de',
  errorTitlePrefix: 'Fehler: ',
  integrationNote: (brand) => `Dies ist eine Integration von ${brand} mit SAP-Concur-Lösungen.`,
  steps: { label: 'Fortschritt', concur: 'SAP Concur', here: 'Bestätigen', done: 'Verbunden', over: 'erledigt' },
  links: {
    label: 'Hilfe und Rechtliches',
    support: 'Support und Hilfe',
    privacy: 'Datenschutz',
    terms: 'Nutzungsbedingungen',
    contact: 'Kontakt',
  },
  landing: {
    title: (brand) => `SAP Concur mit ${brand} verbinden`,
    lead: (brand, subject) =>
      `Sie haben in SAP Concur auf „Verbinden“ geklickt. Mit dieser Seite erlauben Sie ${brand}, dort mit ${whose[subject]} zu arbeiten.`,
    nothingYet: 'Noch ist nichts verbunden. Zum Abbrechen schließen Sie einfach dieses Fenster.',
    id: { company: 'Unternehmens-ID bei SAP Concur', user: 'Benutzer-ID bei SAP Concur' },
  },
  confirm: {
    explain: (brand, subject) => `Möchten Sie ${what[subject]} mit ${brand} verbinden?`,
    button: (brand) => `Mit ${brand} verbinden`,
  },
  code: {
    explain: (brand, subject) =>
      `Geben Sie den Bestätigungscode ein, den Sie von ${brand} erhalten haben. Er zeigt, dass ${what[subject]} zu Ihnen gehört.`,
    label: 'Bestätigungscode',
    hint: 'Zehn Buchstaben und Ziffern. Leerzeichen, Bindestriche und Kleinschreibung sind erlaubt.',
    noCode: 'Sie haben keinen Code?',
    contact: 'Kontakt aufnehmen',
    button: 'Verbinden',
    summary: 'Es gibt ein Problem',
    empty: 'Geben Sie Ihren Bestätigungscode ein.',
    rejected: 'Dieser Code ist falsch, schon verwendet oder abgelaufen.',
  },
  signIn: {
    explain: (brand, subject) =>
      `Melden Sie sich bei ${brand} an, damit wir wissen, zu welchem Konto ${what[subject]} gehört.`,
    button: (brand) => `Bei ${brand} anmelden`,
    noAccount: 'Noch kein Konto?',
    signUp: 'Registrieren',
  },
  signedIn: {
    question: (brand, subject) =>
      `Sie haben sich bei ${brand} angemeldet. Möchten Sie ${what[subject]} mit diesem Konto verbinden?`,
    account: (brand) => `Ihr Konto bei ${brand}`,
    button: 'Verbinden',
    notYours: {
      company: 'Nicht Ihr Unternehmen oder nicht Ihr Konto? Schließen Sie dieses Fenster, oder',
      user: 'Nicht Ihr Konto? Schließen Sie dieses Fenster, oder',
    },
    again: 'melden Sie sich mit einem anderen Konto an',
    backToSignIn: 'Zurück zur Anmeldung',
  },
  pending: {
    title: 'Verbindung wird hergestellt …',
    body: (brand, subject) => `Wir verbinden ${yours[subject]} mit ${brand}. Das dauert einige Sekunden.`,
    slow: 'SAP Concur antwortet derzeit nicht. Wir versuchen es von selbst weiter, nötigenfalls einen Tag lang.',
    stay: 'Diese Seite aktualisiert sich selbst. Auch wenn Sie sie schließen, wird die Verbindung fertiggestellt.',
    lookAgain: 'Jetzt nachsehen',
  },
  connected: {
    title: (brand) => `SAP Concur ist mit ${brand} verbunden`,
    found: { company: 'Gefundenes Unternehmen bei SAP Concur', user: 'Gefundenes Konto bei SAP Concur' },
    unnamed: 'SAP Concur hat keinen Namen genannt.',
    nextSteps: 'Nächste Schritte',
    close: 'Sie können dieses Fenster schließen.',
    notYours: { company: 'Nicht Ihr Unternehmen?', user: 'Nicht Ihr Konto?' },
    disconnect: (brand) => `In ${brand} trennen`,
    disconnectInConcur:
      'In SAP Concur lässt sich die Verbindung jederzeit trennen: App Center öffnen, diese App wählen und auf „Trennen“ klicken.',
  },
  failed: {
    heading: 'Die Verbindung konnte nicht hergestellt werden',
    tryAgain: `So versuchen Sie es erneut: ${pressConnect}`,
    goOn: 'Ergebnis ansehen',
    reference: 'Kennung für den Support',
  },
  failures: {
    'bad-link': { title: 'Dieser Link ist unvollständig', body: pressConnect },
    'unknown-app': {
      title: 'Diese Anwendung gibt es nicht',
      body: 'Die Adresse dieser Seite nennt eine Anwendung, die hier nicht bekannt ist. Prüfen Sie die Connect-Adresse im App-Center-Eintrag.',
    },
    'foreign-browser': {
      title: 'Diese Seite gehört zu einem anderen Browser',
      body: `Sie lässt sich nur in dem Browser öffnen, in dem auf „Verbinden“ geklickt wurde, und nur mit Cookies. ${pressConnect}`,
    },
    declined: {
      title: 'Die Verbindung wurde bei SAP Concur abgelehnt',
      body: `SAP Concur meldet, dass die Anfrage abgelehnt wurde; es wurde nichts verbunden. Wenn das ein Versehen war: ${pressConnect}`,
    },
    'foreign-sign-in': {
      title: 'Es wurde nichts verbunden',
      body: `Sie haben sich für einen Vorgang angemeldet, der in einem anderen Browser begonnen hat. Wenn Sie selbst auf „Verbinden“ geklickt haben, tun Sie es in diesem Browser noch einmal, mit erlaubten Cookies: ${pressConnect} Wenn Ihnen jemand den Link geschickt hat, schließen Sie dieses Fenster und wenden Sie sich an unseren Support.`,
    },
    'not-signed-in': {
      title: 'Sie haben sich noch nicht angemeldet',
      body: 'Diese Seite lässt sich erst nach der Anmeldung öffnen, und nur im selben Browser.',
    },
    'sign-in-rejected': {
      title: 'Diese Anmeldung gilt nicht mehr',
      body: 'Sie wurde schon verwendet, durch eine andere ersetzt oder gehört zu einem anderen Fenster. Durch sie wurde nichts verbunden. Melden Sie sich erneut an.',
    },
    'sign-in-expired': {
      title: 'Ihre Anmeldung ist zu lange her',
      body: 'Eine Anmeldung gilt zwei Minuten. Es wurde nichts verbunden. Melden Sie sich erneut an.',
    },
    'page-out-of-date': {
      title: 'Diese Seite ist veraltet',
      body: 'Gehen Sie zurück, laden Sie die Seite neu und senden Sie sie noch einmal.',
    },
    'session-used': {
      title: 'Diese Seite wurde bereits abgeschlossen',
      body: 'Sie kann nur einmal gesendet werden.',
    },
    'session-expired': { title: 'Diese Seite ist zu alt', body: `Sie war zu lange geöffnet. ${pressConnect}` },
    'too-many-tries': {
      title: 'Zu viele falsche Codes',
      body: `Diese Seite nimmt keine Codes mehr an. Fordern Sie einen neuen Code an. Danach: ${pressConnect}`,
    },
    'rate-limited': { title: 'Zu viele Versuche', body: 'Warten Sie eine Weile und versuchen Sie es dann erneut.' },
    'lost-race': {
      title: 'In einem anderen Fenster abgeschlossen',
      body: 'Derselbe Vorgang wurde in einem anderen Browser oder Fenster abgeschlossen. Fahren Sie dort fort. Wenn Sie das nicht waren, wenden Sie sich an unseren Support.',
    },
    'request-token-rejected': {
      title: 'SAP Concur hat diesen Vorgang nicht angenommen',
      body: 'Er gilt 24 Stunden und nur für wenige Versuche.',
    },
    'identity-mismatch': {
      title: 'SAP Concur hat für ein anderes Unternehmen geantwortet',
      body: 'Zur Sicherheit wurde nichts verbunden. Wenn es wieder geschieht, wenden Sie sich an unseren Support.',
    },
    'provider-unavailable': {
      title: 'SAP Concur ist nicht erreichbar',
      body: 'Das liegt nicht an Ihnen. Versuchen Sie es später erneut.',
    },
    'app-blocked': {
      title: 'SAP Concur nimmt diese Anwendung derzeit nicht an',
      body: 'Das liegt nicht an Ihnen. Unser Support kann sagen, wann es wieder geht.',
    },
    'not-found': { title: 'Diese Seite gibt es nicht', body: 'Prüfen Sie die Adresse.' },
    other: {
      title: 'Etwas ist schiefgegangen',
      body: 'Das liegt nicht an Ihnen. Versuchen Sie es erneut; wenn es dabei bleibt, wenden Sie sich an unseren Support.',
    },
  },
  wrongParameters: 'Fehlend, doppelt oder falsch in der Adresse:',
};
