#!/usr/bin/env bash
# Two vLLM servers, one a GPU, behind one page. vLLM knows GPT-J, not CodeGen: export the model first.
#
#   .venv/bin/python -m codegen_ui.export --model Salesforce/codegen-16B-mono --out /models/codegen-16B-gptj
#   python3 -m venv /opt/vllm && /opt/vllm/bin/pip install vllm
#   examples/deploy/two-vllm.sh /models/codegen-16B-gptj [options of app.py]
#
# Relative paths are looked up where it is called. Environment: PYTHON, the playground's (default: that of its .venv);
# VLLM, the command that starts a server (default: /opt/vllm/bin/python -m vllm.entrypoints.openai.api_server); DTYPE (default:
# float16); PORTS (default: "8001 8002"), one server a port, on GPU 0, 1, ...; GPUS, the variable that chooses a GPU
# (default: CUDA_VISIBLE_DEVICES; for ROCm HIP_VISIBLE_DEVICES). The servers listen on this machine alone. The page answers
# at once and shows what it waits for; a server that dies is started again, and only its streams are lost.
set -euo pipefail

model=${1:?usage: two-vllm.sh FOLDER [options of app.py]}
shift
here=$(cd "$(dirname "$0")/../.." && pwd)
read -r -a vllm <<<"${VLLM:-/opt/vllm/bin/python -m vllm.entrypoints.openai.api_server}"
read -r -a ports <<<"${PORTS:-8001 8002}"
gpus=${GPUS:-CUDA_VISIBLE_DEVICES}

serve() { # GPU PORT: run a server for ever
  local server
  trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; exit 0' TERM
  while true; do
    env "$gpus=$1" "${vllm[@]}" --model "$model" --served-model-name codegen --dtype "${DTYPE:-float16}" \
      --host 127.0.0.1 --port "$2" &
    server=$!
    wait "$server" || echo "the server on port $2 ended with status $?; starting it again" >&2
    sleep 2
  done
}

children=()
trap 'kill "${children[@]}" 2>/dev/null; wait' EXIT
trap 'exit 143' TERM INT
urls=()
for index in "${!ports[@]}"; do
  serve "$index" "${ports[index]}" &
  children+=("$!")
  urls+=(--backend-url "http://127.0.0.1:${ports[index]}/v1")
done

# In the background, as a signal reaches bash only while it waits.
"${PYTHON:-$here/.venv/bin/python}" "$here/app.py" "${urls[@]}" --backend-model codegen "$@" &
children+=("$!")
wait "$!"
