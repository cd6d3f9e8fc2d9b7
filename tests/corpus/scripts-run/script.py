import sys
print(__name__, sys.argv, 'shared' in globals())
made = len(sys.argv)
