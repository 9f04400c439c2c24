"""One module a form of annotated video; `keras_sge.data.open` chooses."""
