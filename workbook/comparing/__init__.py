"""Does a cell still print and draw what is stored? Numbers, text, and figures by what they show and by their pixels."""
