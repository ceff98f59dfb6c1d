/** Looks for secrets where none may be, in the forms in which one might have slipped in. */

/** Too short to be told from other text. */
const SHORTEST = 12;

/** A secret as it is, URL-encoded and in Base64. */
export function secretForms(secrets: readonly string[]): readonly string[] {
  const forms = secrets
    .filter((secret) => secret.length >= SHORTEST)
    .flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('base64url'),
    ]);
  return [...new Set(forms)];
}

/** One line for each text that holds a secret: which text, and how the secret begins. */
export function findSecrets(texts: readonly string[], forms: readonly string[]): string[] {
  return texts.flatMap((text, index) => {
    const found = forms.find((form) => text.includes(form));
    return found === undefined ? [] : [`text ${index}: ${found.slice(0, 6)}... in ${text.slice(0, 120)}`];
  });
}
