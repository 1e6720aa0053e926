#!/bin/sh
# Fetch the real programs into FOLDER/bin: tests/real/get.sh FOLDER [PROGRAM ...]
# For Linux on x86-64; about 1.3 GB. Programs of your own do as well: name their folder.
set -eu
folder=$(mkdir -p "$1/bin" && cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- claude codex gemini copilot opencode goose

unpack() { # NAME PACKAGE
  mkdir -p "$folder/$1"
  (cd "$folder/$1" && tar xzf "$(npm pack --silent "$2")" && rm -- *.tgz)
}

for program; do
  case $program in
    claude)
      python3 -m pip install --quiet --no-deps --upgrade --target "$folder/claude" claude-agent-sdk
      found="$folder"/claude/claude_agent_sdk/_bundled/claude ;;
    codex)
      unpack codex @openai/codex@0.169.0-linux-x64
      found=$(echo "$folder"/codex/package/vendor/*/bin/codex) ;;
    gemini)
      npm install --silent --ignore-scripts --omit=optional --prefix "$folder/gemini" @google/gemini-cli
      found="$folder"/gemini/node_modules/.bin/gemini ;;
    copilot)
      unpack copilot @github/copilot-linux-x64
      found="$folder"/copilot/package/copilot ;;
    opencode)
      unpack opencode opencode-linux-x64-baseline
      found="$folder"/opencode/package/bin/opencode ;;
    goose)
      unpack goose @aaif/goose-binary-linux-x64
      found="$folder"/goose/package/bin/goose ;;
    *)
      echo "there is no program $program: name claude, codex, gemini, copilot, opencode or goose" >&2
      exit 1 ;;
  esac
  ln -sf "$found" "$folder/bin/$program"
done
