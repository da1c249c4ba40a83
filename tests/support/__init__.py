"""What tests share and no test is: costs that are told, processor time, JavaScript without a browser."""
