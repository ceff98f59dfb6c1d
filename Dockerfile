# syntax=docker/dockerfile:1
# Targets: api, worker, cli (production), sandbox (development). `docker build --target api -t evergrant-api .`
# Debian, because Temporal's native core is linked against glibc. All run as an unprivileged user, write nowhere but
# where a volume is mounted, and have Node as process 1, which handles SIGTERM itself.

ARG NODE_IMAGE=node:20-bookworm-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app
# Roots for the TLS of Temporal's native core; Node brings its own.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*

FROM base AS build
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --include=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN node dev/build.mjs
RUN node dev/build.mjs sandbox

FROM base AS dependencies
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund
# The native core comes for five platforms; this image is one.
RUN find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 -type d ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -r {} +

FROM base AS production
ENV NODE_ENV=production \
  EVERGRANT_MODE=production \
  HOST=0.0.0.0
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY deploy/probe.mjs ./
COPY --from=build /app/dist ./dist
# A volume mounted here belongs to the user of the image: for keys that are made on first start.
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/evergrant
USER node

FROM production AS cli
ENTRYPOINT ["node", "--enable-source-maps", "dist/cli/main.js"]

FROM production AS api
ENV PORT=8080 \
  OPS_PORT=9464
EXPOSE 8080 9464
# Whether the process lives; /readyz tells whether it should get traffic.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD node probe.mjs "http://127.0.0.1:${OPS_PORT}/healthz"
ENTRYPOINT ["node", "--enable-source-maps", "dist/api/main.js"]

FROM production AS worker
ENV WORKER_PORT=9465
EXPOSE 9465
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD node probe.mjs "http://127.0.0.1:${WORKER_PORT}/healthz"
ENTRYPOINT ["node", "--enable-source-maps", "dist/worker/main.js"]

FROM base AS sandbox
ENV HOST=0.0.0.0 \
  SANDBOX_PORT=9400 \
  SANDBOX_STATE_FILE=/var/lib/sandbox/state.json
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY deploy/probe.mjs ./
COPY --from=build /app/dist-sandbox ./dist
RUN install --directory --owner=node --group=node --mode=0700 /var/lib/sandbox
USER node
EXPOSE 9400
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD node probe.mjs "http://127.0.0.1:${SANDBOX_PORT}/__sandbox"
ENTRYPOINT ["node", "--enable-source-maps", "dist/dev/sandbox/main.js"]
