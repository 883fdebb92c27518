"""What is selected of Open Images: classes, rows, objects, and the files of the manual recipe."""
