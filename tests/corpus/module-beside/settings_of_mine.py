print('imported')
NAME = 'beside'
