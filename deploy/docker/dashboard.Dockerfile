# The built dashboard and nothing else: the gateway's image takes /dashboard from it. It is never run.
ARG NODE_IMAGE=node:22.21.1-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY clients/dashboard/package.json clients/dashboard/package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY clients/dashboard ./
RUN npx vite build --logLevel warn

FROM scratch
COPY --from=build /src/dist /dashboard
