"""An annotation of ILSVRC2012 in the layout that all published ones have."""

from __future__ import annotations

PUBLISHED = """<annotation>
\t<folder>n01440764</folder>
\t<filename>n01440764_96</filename>
\t<source>
\t\t<database>ILSVRC_2012</database>
\t</source>
\t<size>
\t\t<width>500</width>
\t\t<height>375</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>n01440764</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>34</xmin>
\t\t\t<ymin>128</ymin>
\t\t\t<xmax>430</xmax>
\t\t\t<ymax>305</ymax>
\t\t</bndbox>
\t</object>
</annotation>
"""
