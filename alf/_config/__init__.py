"""Configuration: parameters set by name, and recorded as they ran.

Nothing here imports torch or numpy.
"""

from alf._config.conf_modules import LoadedConf
from alf._config.constructors import checked
from alf._config.decorator import configurable
from alf._config.loading import import_config, load_config, loaded_confs
from alf._config.origin import Origin
from alf._config.overrides import Override, literal, parse_overrides, parse_value
from alf._config.recording import (
    Recorded,
    decode_source,
    read_recorded,
    read_source,
    write_alf_config,
)
from alf._config.settings import (
    config,
    config1,
    define_config,
    describe_unused,
    get_all_config_names,
    get_config_value,
    get_handled_pre_configs,
    get_inoperative_configs,
    get_operative_configs,
    override_with,
    pre_config,
    unused_configs,
    validate_pre_configs,
)
from alf._config.store import ConfigStore, isolated, reset_configs

__all__ = [
    "ConfigStore",
    "LoadedConf",
    "Origin",
    "Override",
    "Recorded",
    "checked",
    "config",
    "config1",
    "configurable",
    "decode_source",
    "define_config",
    "describe_unused",
    "get_all_config_names",
    "get_config_value",
    "get_handled_pre_configs",
    "get_inoperative_configs",
    "get_operative_configs",
    "import_config",
    "isolated",
    "literal",
    "load_config",
    "loaded_confs",
    "override_with",
    "parse_overrides",
    "parse_value",
    "pre_config",
    "read_recorded",
    "read_source",
    "reset_configs",
    "unused_configs",
    "validate_pre_configs",
    "write_alf_config",
]
