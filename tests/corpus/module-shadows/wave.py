raise ImportError('IPython puts the standard library before the folder')
