FROM python:3.13-slim

RUN pip install --no-cache-dir 'uv>=0.9' \
    && useradd --system --create-home --home-dir /var/lib/order-ledger order-ledger

WORKDIR /opt/order-ledger
COPY pyproject.toml requirements.lock README.md ./
COPY src src
COPY projections projections

# What the ledger itself needs, in the versions of the lock, and nothing that only its developers use.
RUN uv pip install --system --no-cache --compile-bytecode --constraint requirements.lock .

# Files that belong to an ordinary user; a new volume in this place takes that over.
USER order-ledger
VOLUME /var/lib/order-ledger
ENV PYTHONUNBUFFERED=1
ENTRYPOINT ["order-ledger"]
CMD ["serve"]
