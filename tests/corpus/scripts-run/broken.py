def fail():
    raise KeyError('of the script')

fail()
