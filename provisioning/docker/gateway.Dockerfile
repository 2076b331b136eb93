# One agent gateway: Node and one bundled file. Built by tools/docker/gateway-image.ts; works with `docker build` too:
#   docker build -f provisioning/docker/gateway.Dockerfile -t wirebot/gateway <folder with app/ and prime.mjs>
# No shell is needed in the base: every RUN is in exec form.
ARG NODE_IMAGE=node:24-slim

# Starts the gateway once, so that V8's compile cache is part of the image: less memory and a faster start.
FROM ${NODE_IMAGE} AS primed
LABEL wirebot.image="gateway-primed"
ENV MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE=/app/cache
WORKDIR /app
COPY app/ /app/
COPY prime.mjs /prime.mjs
COPY --chown=10001:10001 cache/ /app/cache/
# The cache's key holds the user id and V8's flags: both are the same as at run time.
USER 10001:10001
RUN ["node", "--max-semi-space-size=1", "/prime.mjs"]

FROM ${NODE_IMAGE}
ARG CONTENT=unknown
LABEL org.opencontainers.image.title="wirebot gateway" wirebot.image="gateway" wirebot.content="${CONTENT}"
ENV NODE_ENV=production MALLOC_ARENA_MAX=1 NODE_COMPILE_CACHE=/app/cache
WORKDIR /app
COPY app/ /app/
COPY --from=primed /app/cache/ /app/cache/
USER 10001:10001
STOPSIGNAL SIGTERM
# The driver probes; a probe inside would start a second Node process every few seconds.
HEALTHCHECK NONE
ENTRYPOINT []
CMD ["node", "--max-semi-space-size=1", "/app/gateway.mjs"]
