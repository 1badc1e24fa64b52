#!/bin/sh
# Everything, from nothing to media/sample: run.sh WORK_FOLDER BANKING77_FOLDER
# Runs again from where it stopped. Needs python3 with the packages of requirements.txt, apt-get, npm and pip.
set -eu
work=$1 banking=$2
here=$(cd "$(dirname "$0")" && pwd)
sample=$(dirname "$here")
run() { name=$1; shift; nice -n 19 python3 "$here/$name.py" --work "$work" "$@"; }
[ -e "$work/data.json" ] || run gather --banking "$banking"
run train --size main --minutes "${MAIN_MINUTES:-108}" --export "$sample/modulens-sample"
run train --size small --minutes "${SMALL_MINUTES:-55}" --export "$sample/modulens-sample-small"
for domain in banking dutch; do
  run lora --base "$sample/modulens-sample" --domain "$domain" --minutes "${LORA_MINUTES:-4}" --export "$sample/lora-$domain"
done
run evaluate --sample "$sample"
run publish --sample "$sample"
