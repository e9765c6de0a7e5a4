"""Settings: one frozen object from flags, environment, a YAML file and defaults."""

from app.config.setting import Setting
from app.config.settings import SETTINGS, Settings
from app.config.sources import ConfigError, Loaded, Problem, add_flags, load
from app.config.values import Address

__all__ = ["SETTINGS", "Address", "ConfigError", "Loaded", "Problem", "Setting", "Settings", "add_flags", "load"]
