"""Open Images: any set of its classes, with boxes, masks and the images themselves."""
