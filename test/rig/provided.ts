/** What the global set-ups hand to the test files, which run in other processes. */
export interface ProvidedPostgres {
  /** Connection strings with `{database}` in place of a database's name. */
  readonly admin: string;
  readonly owner: string;
  readonly application: string;
  /** The migrated database that every test database is a copy of. */
  readonly template: string;
}

export interface ProvidedTemporal {
  readonly address: string;
}

export interface ProvidedBrowser {
  readonly program: string;
  /** On top of the test's own environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** An `npm start` that is on its way up, or is up. */
export interface ProvidedProduct {
  readonly home: string;
  readonly variables: Readonly<Record<string, string>>;
  /** File that gets every line which it prints. */
  readonly printed: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: ProvidedPostgres;
    temporal: ProvidedTemporal;
    timeSkippingServer: string;
    browser: ProvidedBrowser;
    product: ProvidedProduct;
  }
}
