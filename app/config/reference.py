"""The page docs/configuration.md, made from the table of settings: python -m app.config.reference prints it."""

from __future__ import annotations

import sys
from itertools import groupby

from app.config.setting import ENVIRONMENT_PREFIX, Setting
from app.config.settings import SETTINGS
from app.config.sources import CONFIG_FILE_FLAGS, CONFIG_FILE_VARIABLE

INTRODUCTION = f"""\
<!-- Made by `python -m app.config.reference > docs/configuration.md`; change app/config, not this page. -->
# Configuration

The exporter runs without any configuration. Each setting below can be given in three ways; the first of them holds:

1. a flag: `--max-series 128`
2. an environment variable: `{ENVIRONMENT_PREFIX}MAX_SERIES=128`
3. a key in a YAML file: `max_series: 128`

The file is named by `{CONFIG_FILE_FLAGS[0]}` (or `{CONFIG_FILE_FLAGS[1]}`) or `{CONFIG_FILE_VARIABLE}`. A name with a
unit is in that unit.

- `embedding-drift-exporter check-config` takes the same flags, variables and file as `serve`. It prints the effective
  settings, each with where it came from, as YAML that is itself a settings file, and exits with 0; or it prints all
  that is wrong and exits with 1.
- Without a command, the exporter serves: `embedding-drift-exporter --max-series 128` is `... serve --max-series 128`.
- Unknown flags and unknown keys of the file are errors. An unknown variable that begins with `{ENVIRONMENT_PREFIX}`
  is a warning: Kubernetes sets such variables in every pod when a Service is named `embedding-drift...`
  (`{ENVIRONMENT_PREFIX}SERVICE_HOST`, `{ENVIRONMENT_PREFIX}PORT=tcp://...`). No setting has a name that Kubernetes
  would set.
- A wrong value is an error also where another source overrides it.
- An empty variable counts as not set. `none` takes back a value that a source of lower rank gave, where the setting may
  be none.
- A list is separated by commas, in the file also a YAML list; a repeated flag adds to its list.

```yaml
# /etc/embedding-drift-exporter.yml
listen: 0.0.0.0:10877
log_format: json
reserved_models: [search-queries, search-documents]
```

Exit codes: 0 after a stop that was asked for, 2 where flags, variables or the file are wrong and nothing was started.
"""


def page() -> str:
    """The whole page in Markdown."""
    return INTRODUCTION + "".join(
        f"\n## {group}\n\n| setting | flag | variable | default | takes | meaning |\n|---|---|---|---|---|---|\n"
        + "".join(map(_row, rows))
        for group, rows in groupby(SETTINGS, key=lambda setting: setting.group)
    )


def _row(setting: Setting) -> str:
    flags = ", ".join(f"`{flag}`" for flag in (setting.flag, *setting.aliases))
    cells = (
        f"`{setting.name}`",
        flags,
        f"`{setting.variable}`",
        f"`{setting.show(setting.default)}`",
        setting.parser.expected,
        setting.help,
    )
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
