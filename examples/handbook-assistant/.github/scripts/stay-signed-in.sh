#!/usr/bin/env bash
# Signs in to Azure again every four minutes, with a fresh word from GitHub. Azure accepts that word for five minutes and hands
# out access for an hour, for each service apart: a job that waits for a training and then reads its files comes too late
# with the old one (AADSTS700024). The two ACTIONS_ variables exist in every step of a job that may write `id-token`.
set -euo pipefail

sign_in() {
  local answer
  answer=$(curl --fail --silent --show-error --retry 3 \
    --header "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
    "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=api://AzureADTokenExchange") || return
  az login --service-principal --only-show-errors --output none \
    --username "$AZURE_CLIENT_ID" --tenant "$AZURE_TENANT_ID" --federated-token "$(jq --raw-output .value <<< "$answer")"
}

while sleep 240; do
  sign_in || echo "not signed in again, next try in four minutes"
done
