"""The steps by which Open Images is collected: metadata, selections, masks, images."""
