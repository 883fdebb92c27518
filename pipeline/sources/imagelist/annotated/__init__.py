"""Lists whose images have boxes: annotations of COCO, and folders of PASCAL VOC's XML."""
