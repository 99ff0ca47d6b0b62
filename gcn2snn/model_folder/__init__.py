"""A spiking network as a folder in the Hugging Face layout: safetensors, config.json and a model card."""

from gcn2snn.model_folder.layout import CONFIG_FILE, NETWORK_FILE, check_folder, find_folder, load_config, write_folder
from gcn2snn.model_folder.parts import Measured

__all__ = ["CONFIG_FILE", "NETWORK_FILE", "Measured", "check_folder", "find_folder", "load_config", "write_folder"]
