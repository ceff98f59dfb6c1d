/** A browser without a screen: it keeps cookies, and stops at redirects so that a test can look at them. */
export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly title: string;
  /** What the page says about the connect. */
  readonly outcome: string | null;
  /** Path and query of a redirect. */
  readonly location: string | null;
  /** Of the page's form. */
  readonly csrf: string;
}

export interface Visitor {
  readonly cookies: Map<string, string>;
  get(path: string, init?: RequestInit): Promise<Page>;
  submit(path: string, fields: Readonly<Record<string, string>> | string): Promise<Page>;
  /** Follows the redirect of Concur; the path of the landing page and its `csrf`. */
  arrive(app: string, parameters: Readonly<Record<string, string>>): Promise<{ path: string; csrf: string }>;
}

export function createVisitor(url: string, headers: Readonly<Record<string, string>>): Visitor {
  const cookies = new Map<string, string>();

  async function send(path: string, init: RequestInit = {}): Promise<Page> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(new URL(path, url), {
      redirect: 'manual',
      ...init,
      headers: { ...headers, ...(cookie === '' ? {} : { cookie }), ...(init.headers as Record<string, string>) },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (line.includes('Max-Age=0')) cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      title: /<title>([^<]*)<\/title>/.exec(text)?.[1] ?? '',
      outcome: /<body data-outcome="(\w+)"/.exec(text)?.[1] ?? null,
      location: response.headers.get('location'),
      csrf: /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '',
    };
  }

  return {
    cookies,
    get: send,
    submit: (path, fields) =>
      send(path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: typeof fields === 'string' ? fields : new URLSearchParams(fields).toString(),
      }),
    async arrive(app, parameters) {
      const { location, status } = await send(`/connect/${app}?${new URLSearchParams(parameters)}`);
      if (location === null) throw new Error(`the redirect was answered with ${status}`);
      const { csrf } = await send(location);
      return { path: location, csrf };
    },
  };
}
