"""What goes home with an export beside its weights: the card, licences, how it is loaded. `study.export` writes it."""
