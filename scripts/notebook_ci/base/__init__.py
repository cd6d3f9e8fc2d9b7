"""What every stage needs: inputs, records, the console, processes, files.

Nothing here imports a stage, or anything beyond the standard library at its top: wrong inputs are refused before
anything is installed.
"""
