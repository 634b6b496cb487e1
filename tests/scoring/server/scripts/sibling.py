VALUE = True
