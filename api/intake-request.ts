/** From what was asked for to what the intake takes: all that can be judged without calling anybody. */
import { AppError } from '../core/errors.ts';
import type { DataCentres } from '../core/ports.ts';
import type { App } from '../core/stores.ts';
import type { IntakeRequest } from './intake-port.ts';
import type { ConnectOrder } from './schemas/connects.ts';

/**
 * Throws `forbidden` for a login where the app allows none, `conflict` for a request token where the app's flow knows none, and `bad-request` for a place that is no known data centre and
 * for a migration without an old key; each names its field.
 */
export function buildIntakeRequest(
  order: ConnectOrder,
  given: {
    readonly app: App;
    readonly actor: string;
    readonly correlationId: string | null;
    readonly dataCentres: Pick<DataCentres, 'match' | 'names'>;
  },
): Omit<IntakeRequest, 'sessionId'> {
  const { app, actor, correlationId, dataCentres } = given;
  if (order.kind === 'password' && !app.allowPasswordLogin) {
    throw new AppError('forbidden', 'This app allows no connect by login (allowPasswordLogin).');
  }
  if (order.kind === 'request-token' && app.flow === 'app-center-legacy') {
    const message = 'This app has the flow app-center-legacy, which knows no request tokens; its users press Connect.';
    throw new AppError('conflict', message);
  }
  const { kind, principal, customerRef, replace } = order;
  const dataCentre = dataCentreOf(dataCentres, order);
  const credential = order.credential(app);
  return { app, kind, principal, customerRef, replace, credential, dataCentre, actor, correlationId };
}

/** Name of the data centre that the order means; null: the default of its kind. */
function dataCentreOf(dataCentres: Pick<DataCentres, 'match' | 'names'>, order: ConnectOrder): string | null {
  if (order.geolocation !== null) {
    const found = dataCentres.match(order.geolocation);
    if (found === 'foreign') throw wrongField('geolocation', 'must be the base URI of a known data centre');
    return found.name;
  }
  if (order.dataCentre !== null && !dataCentres.names().includes(order.dataCentre)) {
    throw wrongField('data_center', `must be one of ${dataCentres.names().join(', ')}`);
  }
  return order.dataCentre;
}

function wrongField(field: string, message: string): AppError {
  return new AppError('bad-request', `${field}: ${message}`, { details: { fields: [field] } });
}
