import { AppError } from '../../core/errors.ts';
import { assetVersion, maybeAsset } from '../../web/assets.ts';
import type { Route, Step } from '../route.ts';

/** Addresses of stylesheets and icon change with their content, so browsers may keep them for ever. */
const KEPT_FOR_EVER = 'public, max-age=31536000, immutable';

/** An address of another version was drawn by another release: it gets what there is, and keeps it not. */
const sendAsset: Step = (ctx) => {
  const asset = maybeAsset(ctx.params.file ?? '');
  if (asset === null) throw new AppError('not-found', 'There is no such file.');
  ctx.type = asset.type;
  ctx.set('cache-control', ctx.params.version === assetVersion ? KEPT_FOR_EVER : 'no-cache');
  ctx.body = asset.body;
};

/** What the pages are drawn with. */
export function createAssetRoutes(): readonly Route[] {
  return [{ method: 'get', path: '/assets/:version/:file', steps: [sendAsset] }];
}
