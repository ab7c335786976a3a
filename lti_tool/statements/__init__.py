"""Statements of our own: the words (`vocabulary`), how an outcome becomes statements (`build`), and how one reads aloud (`sentences`)."""
