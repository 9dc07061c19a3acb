# One image for every process: `cairn serve gateway|identity|okr|feedback`, `cairn migrate`.
FROM python:3.12-slim AS build
WORKDIR /cairn
RUN python -m venv /cairn/.venv
COPY requirements.lock ./
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY kernel kernel
COPY contracts contracts
COPY services services
COPY migrations migrations
COPY openapi openapi
RUN .venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .

FROM python:3.12-slim
# A volume that Docker makes over one of these folders takes its owner from it.
RUN useradd --system --uid 10001 --create-home cairn \
    && install -d -o cairn -g cairn -m 0700 /data \
        /settings/gateway /settings/identity /settings/okr /settings/feedback
COPY --from=build /cairn /cairn
WORKDIR /cairn
ENV PATH=/cairn/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER cairn
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["cairn"]
CMD ["serve", "gateway", "--host", "0.0.0.0"]
