FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 ONEVISIT_HOME=/var/lib/onevisit
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY src ./src
COPY schemas ./schemas
COPY migrations ./migrations
RUN mkdir -p /var/lib/onevisit node_modules/.cache && chown node:node /var/lib/onevisit node_modules/.cache
VOLUME /var/lib/onevisit
USER node
# Strips the program's types now, so that a gateway need not at its start.
RUN NODE_COMPILE_CACHE=node_modules/.cache/onevisit node --import ./src/gateway/serve.ts src/onevisit.js --help
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.OPS_PORT || process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["src/onevisit.js", "serve"]
