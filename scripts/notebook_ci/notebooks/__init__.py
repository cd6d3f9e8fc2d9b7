"""Reading notebooks: cells, parameters, metrics, tracebacks, and positions of lines in the file.

Standard library only: these modules run before anything is installed, and they tell a fault by the physical line of the
`.ipynb` file, which nbformat does not keep. They read; they never write a notebook.
"""
