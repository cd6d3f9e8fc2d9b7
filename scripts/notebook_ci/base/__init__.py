"""What every stage needs: inputs, records, the console, processes, files.

Modules here import no stage, and only the standard library at their top: wrong inputs are refused before anything is
installed.
"""
