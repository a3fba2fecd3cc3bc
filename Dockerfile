# Debian, because the PostgreSQL that comes along has no build for Alpine's C library.
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements-run.lock requirements.lock ./
# the second line is for the build itself, whose tools are checked like the rest and stay here
RUN python -m venv /opt/twinstile \
    && /opt/twinstile/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-run.lock \
    && pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/twinstile/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 222 --create-home --home-dir /var/lib/twinstile twinstile \
    && chmod 700 /var/lib/twinstile
COPY --from=build /opt/twinstile /opt/twinstile
ENV PATH=/opt/twinstile/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TWINSTILE_DATA_DIR=/var/lib/twinstile \
    TWINSTILE_HOST=0.0.0.0
USER twinstile
VOLUME /var/lib/twinstile
EXPOSE 8222
# the start may include recovery of the database after a power cut
HEALTHCHECK --interval=10s --timeout=3s --start-period=150s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8222/livez', timeout=2)"]
ENTRYPOINT ["twinstile"]
CMD ["serve"]
