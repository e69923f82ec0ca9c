FROM node:24-slim

ENV NODE_ENV=production
WORKDIR /app

COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY robots ./robots
COPY src ./src
COPY scripts/register.ts scripts/doctor.ts scripts/runs.ts scripts/reconcile.ts scripts/backup.ts scripts/restore.ts ./scripts/
COPY scripts/journal.ts scripts/check.ts scripts/rules.ts ./scripts/
COPY scripts/backup-passphrase.ts scripts/item-option.ts scripts/portal-option.ts scripts/portal-words.ts ./scripts/
COPY scripts/doctor ./scripts/doctor
COPY scripts/reconcile ./scripts/reconcile
COPY scripts/runs ./scripts/runs
COPY LICENSE README.md CHANGELOG.md ./

# Keys and, without DATABASE_URL, the embedded database: keep this folder in a volume.
ENV DATA_DIR=/data
RUN mkdir /data && chown node:node /data
VOLUME /data

USER node
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "src/main.ts"]
