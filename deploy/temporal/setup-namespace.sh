#!/bin/sh
# Makes the namespace and registers the search attributes of Evergrant's workflows in it. Safe to run again.
# Reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, as the command line of Temporal does.
set -eu

namespace=${TEMPORAL_NAMESPACE:-default}

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ]; then
    echo "Temporal at ${TEMPORAL_ADDRESS:-127.0.0.1:7233} is not healthy" >&2
    exit 1
  fi
  sleep 1
done

temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1 ||
  temporal operator namespace create --namespace "$namespace" --retention 30d

# A namespace that was made a moment ago is not known everywhere yet.
tries=30
until temporal operator search-attribute create --namespace "$namespace" \
  --name ConnectionState --type Keyword \
  --name ConcurDataCenter --type Keyword \
  --name ConcurApp --type Keyword \
  --name ConcurPrincipal --type Keyword \
  --name CustomerRef --type Keyword \
  --name StateSince --type Datetime; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || exit 1
  sleep 1
done
