"""Installs packages of conda with py-rattler, the engine of pixi: neither conda nor mamba is needed."""
